"""The ground floor: errors, measures, records, seeds, preprocessing and atomic files. Standard library and numpy only."""
