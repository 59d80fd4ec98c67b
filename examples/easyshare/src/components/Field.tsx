import { type InputHTMLAttributes, useId } from "react";

/** A labelled input, and below it what is wrong with what was sent. */
export function Field({ label, problem, ...input }: { label: string; problem: string } & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} required aria-invalid={problem !== ""} aria-describedby={`${id}-problem`} {...input} />
      <p id={`${id}-problem`} className="problem" role="alert">
        {problem}
      </p>
    </div>
  );
}
