"""Other libraries' shapes on this course's engine: code written for them runs after one changed import."""
