// Texts that only this server can have written: cookies, and permissions to log out. They are signed, not encrypted.

const ALGORITHM = { name: "HMAC", hash: "SHA-256" };

async function key(): Promise<CryptoKey> {
  const secret = process.env.EASYSHARE_SECRET ?? "";
  if (secret.length < 32) throw new Error("EASYSHARE_SECRET must be set, to at least 32 characters that nobody can guess");
  return crypto.subtle.importKey("raw", Buffer.from(secret), ALGORITHM, false, ["sign", "verify"]);
}

/** Signs content for one purpose; it counts for so many seconds. */
export async function sign(purpose: string, content: object, seconds: number): Promise<string> {
  const text = JSON.stringify({ ...content, purpose, until: Date.now() + seconds * 1000 });
  const body = Buffer.from(text).toString("base64url");
  const signature = await crypto.subtle.sign("HMAC", await key(), Buffer.from(body));
  return `${body}.${Buffer.from(signature).toString("base64url")}`;
}

/** The content, or null if it was signed by somebody else, for another purpose, or too long ago. */
export async function verify<T>(purpose: string, signed: string): Promise<T | null> {
  const [body = "", signature = ""] = signed.split(".");
  const genuine = await crypto.subtle.verify("HMAC", await key(), Buffer.from(signature, "base64url"), Buffer.from(body));
  if (!genuine) return null;
  const content = JSON.parse(Buffer.from(body, "base64url").toString());
  return content.purpose === purpose && content.until > Date.now() ? content : null;
}
