"""`GET /api/v1/report/{id}`: a record as the CHT document, key by key (protocol 4.4)."""

from __future__ import annotations

import hashlib
import json

from smsgate.store.tables import records
from tests import make
from tests.looking import rows
from tests.running import Running


async def test_a_report_is_the_documented_document(server: Running) -> None:
    item = make.sms("1!ANC!Sam#23#2015", **{"from": "+254712345678"})
    (given,) = await server.poll(item)
    await server.poll(updates=[{"id": given["id"], "status": "FAILED", "reason": "radio-off"}])
    (row,) = await rows(server, records)
    report = await server.get(f"/api/v1/report/{row['id']}")
    at = "2026-03-09T12:00:00.000Z"
    assert report == {
        "_id": row["id"],
        "_rev": "1-" + hashlib.md5(row["document"].encode()).hexdigest(),
        "type": "data_record",
        "from": "+254712345678",
        "form": "ANC",
        "fields": {"name": "Sam", "week": 23, "year": 2015},
        "reported_date": 1773057600000,
        "errors": [],
        "sms_message": {
            "type": "sms_message",
            "message": "1!ANC!Sam#23#2015",
            "form": "ANC",
            "from": "+254712345678",
            "gateway_ref": item["id"],
        },
        "tasks": [
            {
                "messages": [
                    {"uuid": given["id"], "to": "+254712345678", "message": given["content"]}
                ],
                "state": "failed",
                "state_details": {"reason": "radio-off"},
                "state_history": [
                    {"state": "pending", "timestamp": at},
                    {"state": "forwarded-to-gateway", "timestamp": at},
                    {
                        "state": "failed",
                        "timestamp": at,
                        "state_details": {"reason": "radio-off"},
                    },
                ],
            }
        ],
    }


async def test_what_was_reported_and_not_applied_is_not_in_the_tasks(server: Running) -> None:
    (given,) = await server.poll(make.sms())
    statuses = ("DELIVERED", "SENT", "READ")
    await server.poll(updates=[{"id": given["id"], "status": status} for status in statuses])
    (row,) = await rows(server, records)
    (task,) = (await server.get(f"/api/v1/report/{row['id']}"))["tasks"]
    assert [step["state"] for step in task["state_history"]][2:] == ["delivered"]


async def test_a_number_is_normalised_and_kept_raw_beside(server: Running) -> None:
    await server.call("PUT", "/api/v1/settings", json={"default_country_code": "254"})
    await server.poll(make.sms("1!ANC!Sam#23#2015", **{"from": "0712 345 678"}))
    (row,) = await rows(server, records)
    report = await server.get(f"/api/v1/report/{row['id']}")
    assert report["from"] == "+254712345678"
    assert report["sms_message"]["from"] == "0712 345 678"


async def test_a_withheld_reply_is_a_denied_task(server: Running) -> None:
    await server.poll(make.sms("1!ANC!Sam#23#2015", **{"from": "CLINIC"}))
    (row,) = await rows(server, records)
    (task,) = (await server.get(f"/api/v1/report/{row['id']}"))["tasks"]
    assert (task["state"], set(task["state_details"])) == ("denied", {"reason"})


async def test_errors_are_in_the_report(server: Running) -> None:
    await server.poll(make.sms("1!ANC!Sam##"))
    (row,) = await rows(server, records)
    report = await server.get(f"/api/v1/report/{row['id']}")
    assert [error["code"] for error in report["errors"]] == ["sys.missing_fields"]
    assert all(error["message"] for error in report["errors"])
    assert report["fields"] == {"name": "Sam", "week": None, "year": None}


async def test_a_text_without_a_form_is_no_report(server: Running) -> None:
    await server.poll(make.sms("good morning"))
    (row,) = await rows(server, records)
    assert "form" not in json.loads(row["document"])
    for record_id in (row["id"], row["inbound_id"], "nothing"):
        response = await server.call("GET", f"/api/v1/report/{record_id}")
        assert (response.status_code, response.json()["error"]) == (404, "Report not found")
    shown = await server.get(f"/api/v1/messages/{row['inbound_id']}")
    assert (shown["content"], shown["form"], shown["record"]) == ("good morning", None, row["id"])
