// How a store is asked: a line of words comes in, a line of JSON goes out.

import { createInterface } from "node:readline";

/** Calls the function of `store` that a line's first word names, with its other words, until the input ends. */
export async function serve(store) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [verb, ...words] = line.split(" ");
    console.log(JSON.stringify(await store[verb](...words)) ?? "null");
  }
  process.exit(0);
}
