"""Spellings of what must never leave, and of what only looks like it.

`#` stands for any digit, `N` for one from 2 to 9: each use gives another value.
"""

import random

PHONES = {
    "France": ("06.##.##.##.##", "06-##-##-##-##", "06 ## ## ## ##"),
    "Japan": ("03-####-####", "(03) ####-####", "090-####-####"),
    "Germany": (
        "0170-#######",
        "0170/### ## ##",
        "033701/#####",
        "+49 (0) 170/#######",
    ),
    "Germany, from abroad": (
        *("+49 170 #######", "+49\u00a0170\u00a0#######", "0049 170 #######"),
    ),
    "Britain": ("020 7### ####", "(020) 7### ####", "07### ######", "+447#########"),
    "Netherlands": ("06-########", "020-#######"),
    "Italy": ("06 #######", "02/########", "+39 06 #######"),
    "Australia": ("(02) #### ####", "04## ### ###"),
    "North America": (
        *("N##-###-####", "(N##) ###-####", "N##.###.####", "N## ### ####"),
        *("1-N##-###-####", "N##\u2011###\u2011####", "N##\u00a0###\u00a0####"),
        *("+1 N## ### #### ext. 5", "\uff0b1N#########"),
    ),
    "Brazil": ("11-9####-####", "(11) ####-####", "+55 11 9####-####"),
    "China": ("138 #### ####", "138-####-####"),
    "Russia": ("8 (912) ###-##-##", "+7 912 ### ## ##"),
    "Spain": ("612 ## ## ##", "+34 612 ### ###"),
}
CONTEXTS = ("{}", "Tel: {}", "call me {}", "tel:{}", "size 42, {}.", "{} (mornings)")
"""Where in a text a number stands."""

ADDRESSES = (
    *("jane.canary@example.org", "ask jane+shop@mail.example.co.uk now"),
    *("jane%40example.org", '"jane doe"@example.org', "jane@localhost"),
    *("jane\uff20example.org", "jane&#64;example.org", "jane@[192.0.2.1]"),
    *("jane\u200b@example.org", "müller@bücher.de", "mailto:jane@example.org"),
)
CARDS = ("4111 1111 1111 1111", "4111-1111-1111-1111", "paid by 5500-0000-0000-0004")

CLEAN = (
    *("Blue shoe", "Größe 42 - weiß", "靴", "A+B (2 pieces)", "50 % off @ home"),
    *("M&M's", "C. Ronaldo CR7", "2026-11-20", "12.5 x 30.25", "SAVE-10", "size 8/10"),
    *("#1 seller", "1-2-3 go", "007", "100.000.000", "3.14159", "=1+1", "a=b&c=d"),
    *("100 - 200", "1000 - 2000", "2026 11 20", "20 11 2026", "978 3 16 148410 0"),
    *("10 000 000", "140 200 40", "100-200-3000", "4 006381 333931", "205/55 16 91"),
    *("4 012345 678901", "07/2026 - 08/2026", "01.12.25 - 31.12.25", "2@1 for all"),
    *("ISBN 978-3-16-148410-0", "1234-5678-9012-3456", "2026-1234-1234", "0.123456789"),
    *("01.12.2026-24.12.2026", "1 (100-200)", "(2026) 11-20", "40 / 41 / 42"),
    *(
        "2026-11-20T07:55:05.1234567+00:00",
        "0/10 000",
        "12 - 18 (24)",
        "00001234567890",
    ),
    *("12345678-1234-4234-8234-123456789012", "fb.1.1596403881668.1116446470"),
    *(
        "112-1234567-1234567",
        "1234567890.1234567890",
        "2026/000123",
        "SKU-212-555-0100",
    ),
)


def spell(template: str, dice: random.Random) -> str:
    """Return `template` with digits in it."""
    digits = {"#": "0123456789", "N": "23456789"}
    return "".join(
        dice.choice(digits[one]) if one in digits else one for one in template
    )


def personal_sample(dice: random.Random) -> str:
    """Return something personal, as any country may spell it."""
    spellings = [one for country in PHONES.values() for one in country]
    number = dice.choice(CONTEXTS).format(spell(dice.choice(spellings), dice))
    return dice.choice([number, number, dice.choice(ADDRESSES), dice.choice(CARDS)])
