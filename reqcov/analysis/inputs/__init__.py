"""What is given besides a store: what tests covered, what a diff changes, what the folder holds now."""
