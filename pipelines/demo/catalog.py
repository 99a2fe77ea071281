"""What the demo shop sells and who buys there. Only lists; chance is elsewhere."""

from typing import NamedTuple


class Product(NamedTuple):
    """One article; the price is in cents of the order's currency."""

    sku: str
    product_id: str
    name: str
    category: str
    sub_category: str | None
    brand: str | None
    variant: str | None
    cents: int


class Place(NamedTuple):
    """Where an order goes, and how often among a hundred."""

    weight: int
    currency: str
    country: str
    region: str | None
    city: str
    postcode: str


PRODUCTS = (
    Product(
        "BT-1001", "p-1001", "Trail Boot", "Shoes", "Boots", "Nørdfjell", "42", 18900
    ),
    Product(
        "BT-1002", "p-1002", "Café Sneaker", "Shoes", "Sneakers", "Rue", "38", 8995
    ),
    Product(
        "JK-2001",
        "p-2001",
        "Rain Jacket",
        "Clothing",
        "Jackets",
        "Nørdfjell",
        "M",
        15950,
    ),
    Product(
        "JK-2002",
        "p-2002",
        "Jacke „Föhn“",
        "Clothing",
        "Jackets",
        "Alpenglühen",
        "L",
        23900,
    ),
    Product(
        "TS-3001", "p-3001", "T-Shirt, 2 pack", "Clothing", "Shirts", "Plain", "S", 2450
    ),
    Product(
        "TS-3002", "p-3002", "Linen Shirt & Tie", "Clothing", "Shirts", None, "XL", 6400
    ),
    Product(
        "SK-3101", "p-3101", "Merino Socks", "Clothing", "Socks", "Plain", None, 1799
    ),
    Product(
        "BG-4001", "p-4001", "Day Pack 20 l", "Gear", "Bags", "Nørdfjell", "blue", 7499
    ),
    Product(
        "BG-4002", "p-4002", "Duffel 60 l", "Gear", "Bags", "Nørdfjell", "black", 12900
    ),
    Product(
        "ST-5001", "p-5001", "Camping Stove", "Gear", "Kitchen", "Ember", None, 5625
    ),
    Product(
        "ST-5002", "p-5002", 'Mug "Sunrise"', "Gear", "Kitchen", "Ember", None, 1250
    ),
    Product(
        "TN-6001", "p-6001", "Tent for two", "Gear", "Tents", "日帰り", "green", 32900
    ),
    Product("GC-9001", "p-9001", "Gift Card", "Gifts", None, None, None, 5000),
    Product("ST-9002", "p-9002", "Sticker", "Gifts", None, "Plain", None, 199),
)

PLACES = (
    Place(30, "USD", "US", "NY", "Brooklyn", "11201"),
    Place(26, "USD", "US", "CA", "San José", "95110"),
    Place(20, "USD", "US", "MA", "Boston", "02108"),
    Place(10, "USD", "US", "TX", "Austin", "73301"),
    Place(6, "CAD", "CA", "QC", "Montréal", "H2X 1Y4"),
    Place(5, "EUR", "DE", None, "Köln", "50667"),
    Place(3, "GBP", "GB", None, "Leeds", "LS1 4DY"),
)

PROMO_CODES = ("WELCOME10", "SUMMER10", "FRIENDS", "ÉTÉ24")

EXPERIENCES = {
    "100127238": ("1001186427", "1001186428"),
    "100127311": ("1001186901", "1001186902", "1001186903"),
    "100127402": ("1001187300", "1001187301"),
}
"""Experience id -> its variation ids."""
