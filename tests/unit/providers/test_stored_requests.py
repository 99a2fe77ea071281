"""What is kept of a request: named fields readable, nothing else, whatever is new."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from assets.providers.base import Request
from assets.providers.conversion import Conversion
from assets.providers.convert import visitors as convert_visitors
from assets.providers.convert.provider import Convert, ConvertSettings
from assets.providers.encode import allow_listed_copy, fingerprint
from assets.providers.idme import event as idme_event
from assets.providers.idme.provider import IdMe, IdMeSettings
from assets.providers.impact import form as impact_form
from assets.providers.impact.fields import stored_copy
from assets.providers.trackdesk import fields as trackdesk_fields
from support.impact_account import impact
from support.trackdesk_account import trackdesk

NEW = "something-nobody-thought-of"
Make = Callable[..., Conversion]
CONVERT = {
    "provider": "convert",
    "account_id": "1",
    "project_id": "2",
    "goal_id": "3",
    "currency": "USD",
}


def idme(**changes: Any) -> IdMe:
    plain = {"provider": "idme", "app_id": "a", "require_consent": False}
    return IdMe(IdMeSettings.model_validate(plain | changes))


def first(provider: Any, order: Conversion) -> Request:
    made: Request = next(provider.exchange([order]))
    return made


def test_only_what_is_named_stays_readable_at_any_depth() -> None:
    members = {"a": {"b": "1", "c": "2"}, "d": [{"b": None, "e": [1]}, "f"], "g": 1.0}
    assert allow_listed_copy({**members, "g": "1.0"}, {"a", "b", "d"}) == {
        "a": {"b": "1", "c": fingerprint("2")},
        "d": [{"b": None, "e": fingerprint("[1]")}, "f"],
        "g": fingerprint("1.0"),
    }


@pytest.mark.parametrize(
    "name", ["New", "ItemNew", "ItemNew1", "Item1", "OrderId2", "ItemText1_2", "1"]
)
def test_an_unknown_parameter_of_impact_is_hashed(name: str) -> None:
    assert stored_copy({name: NEW}) == {name: fingerprint(NEW)}


@pytest.mark.parametrize("name", ["OrderId", "ItemSku1", "ItemSubTotal12", "ClickId"])
def test_a_known_parameter_of_impact_stays_readable(name: str) -> None:
    assert stored_copy({name: NEW}) == {name: NEW}


def test_an_unknown_field_of_the_idme_event_is_hashed(
    conversion: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = idme_event._properties

    def grown(order: Conversion) -> dict[str, Any]:
        made: dict[str, Any] = known(order)
        made["products"][0] |= {"engraving": NEW}
        return made | {"gift": {"note": NEW}, "marks": [NEW]}

    monkeypatch.setattr(idme_event, "_properties", grown)
    request = first(idme(context={"page": NEW}), conversion())
    assert request.body.decode().count(NEW) == 4
    (stored,) = request.stored
    properties: Any = stored["properties"]
    assert NEW not in json.dumps(stored)
    assert properties["gift"] == fingerprint(json.dumps({"note": NEW}).replace(" ", ""))
    assert properties["products"][0]["engraving"] == fingerprint(NEW)
    assert properties["total"] == "127.20"
    assert stored["context"] == fingerprint(json.dumps({"page": NEW}).replace(" ", ""))


def grown(real: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """The same body with a field that nobody thought of."""
    return lambda *args: real(*args) | {"newField": NEW}


def test_an_unknown_field_of_any_provider_is_not_kept(
    conversion: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in (
        (
            "assets.providers.trackdesk.provider.conversion_body",
            trackdesk_fields.conversion_body,
        ),
        (
            "assets.providers.convert.provider.visitor_entry",
            convert_visitors.visitor_entry,
        ),
        (
            "assets.providers.impact.provider.conversion_form",
            impact_form.conversion_form,
        ),
        ("assets.providers.idme.provider.order_completed", idme_event.order_completed),
    ):
        monkeypatch.setattr(module, grown(name))
    convert = Convert(ConvertSettings.model_validate(CONVERT))
    for provider in (trackdesk(), convert, impact(), idme()):
        request = first(provider, conversion())
        assert NEW in request.body.decode(), type(provider)
        assert NEW not in json.dumps(request.stored), type(provider)


def test_mapped_columns_are_not_kept_readable(conversion: Make) -> None:
    order = conversion(customer_city="Springfield", extra={"note": NEW})
    fields = {"Text1": "extra.note", "CustomerCity": "customer_city"}
    providers = [
        impact(fields=fields),
        trackdesk(fields={"advS1": "extra.note", "advS2": "customer_city"}),
        Convert(
            ConvertSettings.model_validate(
                CONVERT
                | {
                    "fields": {
                        "customDimension1": "extra.note",
                        "customDimension2": "customer_city",
                    }
                }
            )
        ),
    ]
    for provider in providers:
        request = first(provider, order)
        assert NEW in request.body.decode()
        assert "Springfield" in request.body.decode()
        assert NEW not in json.dumps(request.stored)
        assert "Springfield" not in json.dumps(request.stored)
