// People in a real browser: Chromium without a window.

import { type Browser, chromium, type Page } from "playwright-core";

import { until } from "./redis.ts";

// Nothing but this machine is spoken to, root may run it, and a container's small shared memory is enough.
const ARGUMENTS = [
  "--disable-dev-shm-usage",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export async function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS });
}

export interface Look {
  width?: number;
  height?: number;
  colorScheme?: "light" | "dark";
}

/** A browser of somebody's own: no cookie or tab is shared with others. What goes wrong in the page is noted. */
export async function open(browser: Browser, url: string, look: Look = {}) {
  const { width = 1180, height = 800, colorScheme = "light" } = look;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  const troubles: string[] = [];
  page.on("pageerror", (error) => troubles.push(error.message));
  await page.goto(url);
  return { page, context, troubles };
}

export async function signIn(page: Page, name: string): Promise<void> {
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("connected", { exact: true }).waitFor();
}

/** Makes a room; its code. */
export async function makeRoom(page: Page, name: string): Promise<string> {
  await page.getByLabel("Name of the room").fill(name);
  await page.getByRole("button", { name: "Make" }).click();
  return (await page.locator(".room-head code").textContent())!;
}

export async function joinRoom(page: Page, code: string): Promise<void> {
  await page.getByLabel("Code").fill(code);
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByRole("log", { name: "Messages" }).waitFor();
}

export async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByRole("log").getByText(text).waitFor();
}

export async function logOut(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Log out" }).click();
}

/** The names in the list of people, without what is said of them. */
export async function peopleIn(page: Page): Promise<string[]> {
  return page.locator(".people li > span:last-child").allInnerTexts();
}

/** Waits until the list of people is this. */
export async function untilPeople(page: Page, expected: string[]): Promise<void> {
  await until(`the people are ${expected.join(", ")}`, async () => String(await peopleIn(page)) === String(expected));
}
