"""What models learn from: labelled impressions, balanced, weighted, split by time, with what was known then."""
