"""Verifies notifications as a receiver would: arguments are a secret and a file of posts, one JSON object in a line."""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def main():
    secret, path = sys.argv[1:]
    webhook = Webhook(secret)
    with open(path, encoding="utf-8") as posts:
        for line in posts:
            post = json.loads(line)
            webhook.verify(post["body"], post["headers"])
            try:
                webhook.verify(post["body"] + " ", post["headers"])
            except WebhookVerificationError:
                print(post["headers"]["webhook-id"])
                continue
            raise SystemExit("a changed body passed")


main()
