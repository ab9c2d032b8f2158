"""The API and the page: it holds the champion in memory, answers with pages, and hears events."""
