// The README's checklist names tests that there are.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

const FOLDER = join(import.meta.dirname, "..");

test("every line of the checklist names a test that is there", async () => {
  const readme = await readFile(join(FOLDER, "README.md"), "utf8");
  const checklist = readme.split("## Checklist")[1]!.split("\n## ")[0]!;
  const rows = checklist.split("\n").filter((line) => line.startsWith("| ")).slice(2);
  assert.ok(rows.length >= 6);
  for (const row of rows) {
    const [, name, file] = /\[(.+)\]\((tests\/.+)\)/.exec(row) ?? [];
    assert.ok(name && file, row);
    assert.ok((await readFile(join(FOLDER, file), "utf8")).includes(`test("${name}"`), row);
  }
});
