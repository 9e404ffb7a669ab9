// Verifies notifications as a receiver would: arguments are a secret and a file of posts, one JSON object in a line.

import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const [secret, path] = process.argv.slice(2);
const webhook = new Webhook(secret);
for (const line of readFileSync(path, "utf8").trim().split("\n")) {
  const post = JSON.parse(line);
  webhook.verify(post.body, post.headers);
  let passed = true;
  try {
    webhook.verify(post.body + " ", post.headers);
  } catch {
    passed = false;
  }
  if (passed) throw new Error("a changed body passed");
  console.log(post.headers["webhook-id"]);
}
