"""Text from elsewhere, made safe to show: a coordinator cannot move the cursor of a terminal."""

from unicodedata import category


def plain(text: str) -> str:
    """*text* with control and format characters replaced; line breaks become spaces."""
    return "".join(
        " " if character in "\n\t" else character if category(character)[0] != "C" else "\N{REPLACEMENT CHARACTER}"
        for character in text)
