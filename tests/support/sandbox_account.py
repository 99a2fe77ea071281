"""An impact.com account on a sandbox, for tests of the sandbox."""

import requests

from pipelines.sandbox.server import SandboxServer

SID = "IRtest"
CONVERSION = {
    "CampaignId": "1000",
    "EventTypeId": "9876",
    "EventDate": "2026-01-31T23:55:24-08:00",
    "ClickId": "QiiW:XOVnrQ3",
    "CurrencyCode": "USD",
    "OrderId": "O1",
    "ItemSku1": "1ABC",
    "ItemCategory1": "Hardware",
    "ItemQuantity1": "2",
    "ItemSubTotal1": "28.00",
}
REFERENCE_EXAMPLE = {
    "EventTypeId": "12345",
    "ClickId": "QiiWXOVnrQ3SQHl24jQjyxBGUkmzfJ3i1VHrWM0",
    "CustomerId": "BCZ2WVSH674563PDPYOTM3AXDQ",
    "OrderPromoCode": "10OFF-ROCKET",
    "EventDate": "2023-12-01T23:55:24-08:00",
    "CampaignId": "1000",
    "OrderId": "9217374917471",
    "OrderDiscount": "5",
    "ItemSku1": "12345",
    "ItemName1": "Anvil",
    "ItemCategory1": "Blacksmithing",
    "ItemQuantity1": "1",
    "ItemPrice1": "10",
    "ItemSku2": "78909",
    "ItemName2": "Tennis Balls",
    "ItemCategory2": "Sports",
    "ItemQuantity2": "6",
    "ItemPrice2": "3.14",
    "CustomerStatus": "NEW",
    "CustomerPostCode": "93101",
    "CurrencyCode": "USD",
    "IpAddress": "",
    "CustomerEmail": "7076656fee27c02fd8a1cbd17828c9cf28f2c250",
}


class Account:
    """An impact.com account on a sandbox."""

    def __init__(self, server: SandboxServer, sid: str = SID) -> None:
        self.server = server
        self.sid = sid
        self.session = requests.Session()
        self.session.auth = (sid, "token")
        self.session.headers["Accept"] = "application/json"

    def send(self, **changes: str | None) -> requests.Response:
        """Posts `CONVERSION` with changes; None leaves a field out."""
        form = {k: v for k, v in {**CONVERSION, **changes}.items() if v is not None}
        path = f"/Advertisers/{self.sid}/Conversions"
        return self.session.post(f"{self.server.url}/impact{path}", data=form)

    def get(self, path: str, **query: str) -> requests.Response:
        return self.session.get(f"{self.server.url}/impact{path}", params=query)

    def settle(self, reply: requests.Response) -> dict[str, str]:
        submission: dict[str, str] = self.get(reply.json()["QueuedUri"]).json()
        return submission


def errors(reply: requests.Response) -> dict[str, str]:
    assert reply.status_code == 400
    assert reply.json()["Status"] == "ERROR"
    return {error["field"]: error["message"] for error in reply.json()["errors"]}


def generic_errors(reply: requests.Response) -> dict[str, str]:
    """The spelling of everything but conversions."""
    assert reply.status_code == 400
    body = reply.json()
    assert body["Message"] == body["Errors"][0]["Message"]
    return {error["Field"]: error["Message"] for error in body["Errors"]}
