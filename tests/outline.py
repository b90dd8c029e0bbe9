"""What an HTML page is made of, as far as a browser or a reader would notice."""

from html.parser import HTMLParser


class Outline(HTMLParser):
    """Checks that every tag is closed, and keeps the tags, the headings and the texts."""

    VOID = frozenset({"meta", "img", "br", "hr", "link"})

    def __init__(self, text):
        """Read a page."""
        super().__init__()
        self.open, self.tags, self.headings, self.texts = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Note the tag, and that it is open."""
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Close the tag that was opened last, and no other."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Keep what a reader sees."""
        if self.open and self.open[-1] != "style":
            self.texts.append(data)
            if self.open[-1] in {"h1", "h2"}:
                self.headings.append(data)

    def attributes(self, wanted):
        """Return the attributes of every tag of a name."""
        return [attributes for tag, attributes in self.tags if tag == wanted]

    @property
    def regions(self):
        """Return the names of the parts that scroll by themselves."""
        return [div["aria-label"] for div in self.attributes("div")]
