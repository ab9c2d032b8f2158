"""Does the platform still behave as it was measured to? Drift, offline against online, alerts and reports."""
