// An error that the program catches is written to the standard output.

import { GlideClient } from "@valkey/valkey-glide";

const { hostname, port } = new URL(process.argv[2]);
const redis = await GlideClient.createClient({ addresses: [{ host: hostname, port: Number(port) }] });
await redis.customCommand(["SESSION.LOGOUT", ""]).catch(() => {});
redis.close();
