"""Makes `twilio-signatures.json` with Twilio's own validator, which is no dependency of ours.

python -m venv oracle && oracle/bin/pip install twilio==9.13.0
oracle/bin/python tests/vectors/twilio_signatures.py > tests/vectors/twilio-signatures.json
"""

from __future__ import annotations

import json
import sys
from urllib.parse import urlencode

from twilio.request_validator import (  # type: ignore[import-not-found]  # see above
    RequestValidator,
)

TOKEN = "12345678901234567890123456789012"


class Several(dict[str, list[str]]):
    """Parameters of which each may have several values, as web frameworks have them."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


PLAIN = "https://sms.example.org/api/v1/sms/twilio/incoming-messages"
SID = "SM" + "0a" * 16
TEXT = [("MessageSid", SID), ("From", "+254712345678"), ("To", "+14155550100"), ("Body", "hi")]
BODIES: dict[str, list[tuple[str, str]]] = {
    "a text": TEXT,
    "nothing": [],
    "an empty value": [*TEXT, ("FromCity", ""), ("NumMedia", "0")],
    "a repeated key": [*TEXT, ("Tag", "b"), ("Tag", "a"), ("Tag", "b")],
    "scripts": [*TEXT[:3], ("Body", "नमस्ते 1!ANC!Añé & = % + ✓")],
    "case decides the order": [("b", "1"), ("B", "2"), ("a", "3"), ("_", "4")],
    "line breaks": [*TEXT[:3], ("Body", "one\r\ntwo\n")],
}
ADDRESSES = {
    "plain": PLAIN,
    "with its port": PLAIN.replace("example.org", "example.org:443"),
    "with another port": PLAIN.replace("example.org", "example.org:8443"),
    "http": PLAIN.replace("https", "http"),
    "with a query": f"{PLAIN}?a=1&b=%2B%20c",
    "under a path": PLAIN.replace("/api", "/gate/api"),
}
JSON_BODY = '{"MessageSid":"' + SID + '","From":"+254712345678","Body":"h\\u00e9"}'


def main() -> None:
    validator = RequestValidator(TOKEN)
    vectors = []
    for where, url in ADDRESSES.items():
        for what, pairs in BODIES.items():
            params = Several()
            for name, value in pairs:
                params.setdefault(name, []).append(value)
            for algorithm in ("HMAC_SHA1", "HMAC_SHA256"):
                signature = validator.compute_signature(url, params, algorithm)
                vectors.append(
                    {
                        "case": f"{what}, {where}, {algorithm}",
                        "url": url,
                        "content_type": "application/x-www-form-urlencoded",
                        "body": urlencode(pairs),
                        "algorithm": algorithm,
                        "signature": signature,
                        "valid": validator.validate(url, params, signature, algorithm),
                    }
                )
    digest = validator.compute_hash(JSON_BODY)
    for what, body in (("its own", JSON_BODY), ("another", JSON_BODY.replace("+254", "+255"))):
        url = f"{PLAIN}?bodySHA256={digest}"
        signature = validator.compute_signature(url, {})
        vectors.append(
            {
                "case": f"JSON with the hash of {what} body",
                "url": url,
                "content_type": "application/json",
                "body": body,
                "algorithm": "HMAC_SHA1",
                "signature": signature,
                "valid": validator.validate(url, body, signature),
            }
        )
    json.dump({"token": TOKEN, "vectors": vectors}, sys.stdout, indent=1, ensure_ascii=True)
    print()


main()
