"""The gate decides whether a challenger becomes the champion, by a comparison on equal folds."""
