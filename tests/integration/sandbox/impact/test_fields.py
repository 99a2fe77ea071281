"""The simulated impact.com: every field against the documents."""

import pytest

from support.sandbox_impact_account import (
    Account,
    errors,
)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"OrderId": None}, "OrderId"),
        ({"OrderId": "x" * 65}, "OrderId"),
        ({"CampaignId": "ten"}, "CampaignId"),
        ({"EventTypeId": None}, "EventTypeId"),
        ({"EventTypeCode": "sale"}, "EventTypeId"),
        ({"ClickId": None}, "ClickId"),
        ({"CurrencyCode": "usd"}, "CurrencyCode"),
        ({"CurrencyCode": None}, "CurrencyCode"),
        ({"EventDate": "2026-01-31T23:55:24"}, "EventDate"),
        ({"EventDate": "2026-01-31T23:55:24 08:00"}, "EventDate"),
        ({"EventDate": "2026-02-30T23:55:24Z"}, "EventDate"),
        ({"EventDate": "2999-01-31T23:55:24Z"}, "EventDate"),
        ({"EventDate": "now"}, "EventDate"),
        ({"Date1": "NOW"}, "Date1"),
        ({"Amount": "28.00"}, "Amount"),
        ({"DispositionCode": "d" * 65}, "DispositionCode"),
        ({"CustomerEmail": "customer@example.com"}, "CustomerEmail"),
        ({"CustomerId": "customer@example.com"}, "CustomerId"),
        ({"ItemPrice1": "14.00"}, "ItemSubTotal1"),
        ({"ItemSubTotal1": None}, "ItemSubTotal1"),
        ({"ItemSubTotal1": "28.001"}, "ItemSubTotal1"),
        ({"ItemSubTotal1": "1,028.00"}, "ItemSubTotal1"),
        ({"ItemSubTotal1": "-28.00"}, "ItemSubTotal1"),
        ({"ItemSubTotal": "28.00"}, "ItemSubTotal"),
        ({"ItemSubtotal1": "28.00"}, "ItemSubtotal1"),
        ({"ItemQuantity1": "1.5"}, "ItemQuantity1"),
        ({"ItemCategory1": None}, "ItemCategory1"),
        ({"ItemName3": "Third without a second"}, "ItemSku2"),
        ({"OrderSubTotalPostDiscount": "28.00"}, "OrderSubTotalPostDiscount"),
        ({"MediaId": "1", "MediaPartnerId": "1"}, "MediaPartnerId"),
        ({"Text51": "x"}, "Text51"),
        ({"Text50": "x" * 65}, "Text50"),
        ({"ItemText1_51": "x"}, "ItemText1_51"),
        ({"TrackingConsent": "yes"}, "TrackingConsent"),
        ({"GiftPurchase": "TRUE"}, "GiftPurchase"),
        ({"ClickId": "c" * 65}, "ClickId"),
        ({"CustomProfileId": "c" * 71}, "CustomProfileId"),
        ({"CustomProfileId": "a@b.example"}, "CustomProfileId"),
        ({"CustomerStatus": "N" * 41}, "CustomerStatus"),
        ({"CustomerEmail": "A" * 40}, "CustomerEmail"),
        ({"PaymentType": "p" * 33}, "PaymentType"),
        ({"OrderPromoCode": "p" * 256}, "OrderPromoCode"),
        ({"OrderDiscount": "12345678901.00"}, "OrderDiscount"),
        ({"OrderDiscount": "5.00", "OrderDiscountRate": "5"}, "OrderDiscountRate"),
        ({"OrderDiscountRate": "12.345"}, "OrderDiscountRate"),
        ({"OrderShipping": "-1"}, "OrderShipping"),
        ({"OrderTax": "1e3"}, "OrderTax"),
        ({"OrderMargin": "123456789"}, "OrderMargin"),
        ({"Date1": "2022-02-30"}, "Date1"),
        ({"Date11": "2022-02-03"}, "Date11"),
        ({"Numeric1": "fifty"}, "Numeric1"),
        ({"Money4": "1"}, "Money4"),
        ({"ItemDiscount1": "1", "ItemTotalDiscount1": "2"}, "ItemTotalDiscount1"),
        ({"ItemDiscountRate1": "1", "ItemDiscount1": "2"}, "ItemDiscount1"),
        ({"ItemPrice1": "123456789", "ItemSubTotal1": None}, "ItemPrice1"),
        ({"ItemTotalDiscount1": "123456789.00"}, "ItemTotalDiscount1"),
        ({"ItemMpn1": "m" * 65}, "ItemMpn1"),
        ({"ItemSku01": "x"}, "ItemSku01"),
        ({"ItemSku0": "x"}, "ItemSku0"),
        ({"ItemMoney1_4": "1"}, "ItemMoney1_4"),
        ({"ItemDate1_1": "2026-13-01"}, "ItemDate1_1"),
        ({"OrderPromoCode": "A", "PromoCode": "A"}, "PromoCode"),
        ({"Colour": "red"}, "Colour"),
    ],
)
def test_a_wrong_conversion_is_refused_with_the_field(
    account: Account, changes: dict[str, str | None], field: str
) -> None:
    assert field in errors(account.send(**changes))
    assert account.server.sandbox.effects("impact", account.sid) == {}


def test_an_order_without_items_may_carry_its_total(account: Account) -> None:
    no_items = dict.fromkeys(
        ("ItemSku1", "ItemCategory1", "ItemQuantity1", "ItemSubTotal1")
    )
    assert account.send(**no_items, OrderSubTotalPostDiscount="28.00").ok


def test_an_order_without_items_may_carry_an_amount(account: Account) -> None:
    no_items = dict.fromkeys(
        ("ItemSku1", "ItemCategory1", "ItemQuantity1", "ItemSubTotal1")
    )
    assert account.send(**no_items, Amount="28.00").ok
