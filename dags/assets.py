"""The name of every asset, in one place. An asset event is a wake-up; watermarks say what is new."""

from airflow.sdk import Asset

FEATURES = Asset("marquee://features")
RELEASE = Asset("marquee://release")
TRAFFIC = Asset("marquee://traffic")
