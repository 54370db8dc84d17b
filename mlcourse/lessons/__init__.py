"""What makes notebooks lessons: checks, widgets, figures, tables. The package itself knows nothing of it."""
