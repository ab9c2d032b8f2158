"""What every stage shares: settings, errors, canonical tables, the lake, contracts and the release manifest."""
