"""One file per version of the tables. A released one is never edited."""
