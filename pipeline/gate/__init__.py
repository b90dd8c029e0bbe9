"""The decision whether a challenger becomes the champion, and the equal folds it rests on."""
