"""Patterns of telephone numbers, one per spelling.

Digits alone never match: they may be any id, or the number of an article. A match needs
a leading `+`, or separators with the group lengths of a telephone number. So ids such
as 112-1234567-1234567, 1234-5678-9012, 1234567890.1234567890 or 2026/000123, dates,
amounts such as `10 000 000`, and ISBNs do not match. A local number without its area
code, and a number in groups of three (`612 345 678`), are not found.

Every repetition is bounded, so the time to search a text grows linearly with its
length. The patterns have no lookaround, because Arrow searches columns of ids with
them.
"""

import re

_GAP = r"[ ().\-/]{0,2}"
_SEPARATOR = r"(?: ?[.\-/] ?| )"
_AREA_ENDS = rf"(?:\) ?|{_SEPARATOR})"

_SPELLINGS = (
    # +49 (0) 170/1234567: seven to fifteen digits, E.164.
    r"\+ ?\(?\d(?:[ ().\-/]{0,3}\d){6,14}",
    # 03-1234-5678, 06.12.34.56.78: a zero, an area of one digit. Two dates in a row
    # have twelve digits and are none.
    rf"\(?0[1-9]{_AREA_ENDS}\d(?:{_GAP}\d){{6,8}}",
    # 0170-1234567, (020) 7946 0958: a longer area.
    rf"\(?0[1-9]\d{{1,3}}{_AREA_ENDS}\d(?:{_GAP}\d){{5,9}}",
    # 033701/12345: the longest area; 4 012345 678901 is the number of an article.
    rf"\(?0[1-9]\d{{4}}{_AREA_ENDS}\d(?:{_GAP}\d){{3,4}}",
    # 0049 170 1234567: another country.
    rf"00[1-9]\d{{0,2}}{_AREA_ENDS}\(?\d(?:{_GAP}\d){{6,11}}",
    # 212-555-0100, 1 (212) 555-0100: North America, whose areas begin with 2 to 9.
    rf"(?:1[ .\-]?)?\(?[2-9]\d\d{_AREA_ENDS}\d{{3}}{_SEPARATOR}\d{{4}}",
    # (11) 3456-7890: any country, the area in brackets.
    rf"\(\d\d\d?\) ?\d{{3,5}}{_SEPARATOR}\d{{4}}",
    # 11-91234-5678: mobile numbers of Brazil.
    rf"[1-9]\d{_SEPARATOR}9\d{{4}}{_SEPARATOR}\d{{4}}",
    # 138 1234 5678: China.
    rf"1[3-9]\d{_SEPARATOR}\d{{4}}{_SEPARATOR}\d{{4}}",
    # 8 (912) 345-67-89: Russia.
    rf"[78][ \-]?\(?9\d\d{_AREA_ENDS}\d{{3}}{_SEPARATOR}\d\d{_SEPARATOR}\d\d",
    # 612 34 56 78: Spain.
    rf"[6-9]\d\d{_SEPARATOR}\d\d{_SEPARATOR}\d\d{_SEPARATOR}\d\d",
)
_ANY = "|".join(_SPELLINGS)

PHONE = rf"^\s*(?:{_ANY})\s*$"
"""A whole value that is a telephone number."""
# An order number may have any groups of digits, so only a leading `+` counts here.
PHONE_AS_ORDER_ID = r"^\s*\+[\d\s().\-/]{6,}$"

# It does not match inside an id, a longer number or a time.
PHONE_IN_TEXT = re.compile(
    rf"(?<!\w)(?<!\d[\-./:])(?<![^\W\d][\-/])(?:{_ANY})(?!\w)(?![\-/]\w)(?!\.\d)"
)
"""A telephone number anywhere in a text."""
