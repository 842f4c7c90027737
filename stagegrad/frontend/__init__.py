"""Text becomes IR here: one module for each language that stagegrad reads, and a `Program` out of each of them."""
