"""Whether a challenger becomes the champion, and the equal folds on which that is decided."""
