/** A circle with initials, in a colour that is always the same for a user. Screen readers get the name from the text beside it. */
export function Avatar({ userId, userName }: { userId: string; userName: string }) {
  const words = userName.split(/\s+/).filter(Boolean);
  const initials = [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...(word ?? "")][0] ?? "").join("");
  return (
    <span aria-hidden="true" className="avatar" data-hue={hueOf(userId)}>
      {initials.toUpperCase()}
    </span>
  );
}

const HUES = 6;

function hueOf(userId: string): number {
  return [...userId].reduce((sum, letter) => sum + letter.codePointAt(0)!, 0) % HUES;
}
