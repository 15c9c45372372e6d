"""Receives jobs as POSTs that are signed as Standard Webhooks says. Try it with

HOOK_SECRET=whsec_… python3 docs/examples/python/receiver.py 9002
"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import sys
import time


def genuine(headers, body):
    if abs(time.time() - int(headers.get("webhook-timestamp", 0))) > 300:
        return False  # an old request, sent again by somebody who has seen it
    key = base64.b64decode(os.environ["HOOK_SECRET"].removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    want = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    # One of several, while the secret is being changed.
    return any(hmac.compare_digest(want, one) for one in headers.get("webhook-signature", "").split(" "))


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not genuine(self.headers, body):
            return self.answer(401, "the signature is not ours")
        mail = json.loads(body)
        if "to" not in mail:
            return self.answer(422, 'there is no address in "to"')  # no retry can help: the job is discarded
        # The same webhook-id may come twice: it is the job's id.
        self.answer(200, {"sent": mail["to"], "message_id": self.headers["webhook-id"]})

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
