"""The front door: the `marquee` command and the stack that runs on one machine."""
