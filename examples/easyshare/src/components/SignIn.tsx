"use client";

import { useId } from "react";

import { signIn } from "../auth.ts";
import { Field } from "./Field.tsx";
import { useSubmit } from "./useSubmit.ts";

export function SignIn() {
  const heading = useId();
  const { submit, busy, problem } = useSubmit((form) => signIn(String(form.get("name"))));
  return (
    <section className="card narrow" aria-labelledby={heading}>
      <h2 id={heading}>Come in</h2>
      <p className="quiet">A name is all it takes. The same name is the same person, on every device.</p>
      <form onSubmit={submit}>
        <Field label="Your name" name="name" maxLength={40} autoComplete="nickname" problem={problem} autoFocus />
        <button type="submit" disabled={busy}>
          Sign in
        </button>
      </form>
    </section>
  );
}
