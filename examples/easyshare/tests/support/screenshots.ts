// Takes the pictures of the README: node --import tsx tests/support/screenshots.ts [FOLDER]

import { join } from "node:path";

import { startApp } from "./app.ts";
import { joinRoom, logOut, makeRoom, open, say, signIn, startBrowser, untilPeople } from "./browser.ts";
import { startRedis } from "./redis.ts";

const folder = process.argv[2] ?? join(import.meta.dirname, "../../pictures");
const redis = await startRedis();
const app = await startApp(redis.port);
const browser = await startBrowser();
try {
  const { page: ada } = await open(browser, app.url, { height: 760 });
  const { page: ben } = await open(browser, app.url, { colorScheme: "dark", height: 760 });
  const { page: cleo } = await open(browser, app.url, { width: 360, height: 740, colorScheme: "dark" });
  await signIn(ada, "Ada Lovelace");
  const code = await makeRoom(ada, "Tea at four");
  await signIn(ben, "Ben");
  await joinRoom(ben, code);
  await say(ada, "Who brings the biscuits?");
  await say(ben, "I do. The ones with ginger, if nobody minds.");
  await say(ada, "Nobody minds. See you at four!");
  await signIn(cleo, "Cleo");
  await joinRoom(cleo, code);
  await ben.getByLabel("Message", { exact: true }).fill("And Cleo");
  await ada.getByText("Ben is typing …").waitFor();
  await ada.locator(".inspector .sum strong").getByText("8").waitFor();
  await ada.screenshot({ path: join(folder, "room.png") });
  await cleo.screenshot({ path: join(folder, "phone.png") });
  await logOut(ada);
  await ada.getByText("Nothing is left of you.").waitFor();
  await ada.screenshot({ path: join(folder, "logged-out.png") });
  await untilPeople(ben, ["Ben (you)", "Cleo"]);
  await ben.screenshot({ path: join(folder, "others.png") });
} finally {
  await browser.close();
  await app.stop();
  await redis.stop();
}
