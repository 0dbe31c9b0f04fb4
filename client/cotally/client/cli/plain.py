"""Text from elsewhere, made safe to show: a coordinator cannot move the cursor of a terminal."""

from unicodedata import category


def plain(text: str) -> str:
    """*text* with control and format characters replaced; line breaks become spaces."""
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character in "\n\t":
        return " "
    return "\N{REPLACEMENT CHARACTER}" if category(character).startswith("C") else character
