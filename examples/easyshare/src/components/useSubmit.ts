"use client";

import { type FormEvent, useState } from "react";

/** A form that is sent by `send`: whether that is under way, and why it failed, in words. */
export function useSubmit(send: (form: FormData) => Promise<unknown>) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      await send(new FormData(event.currentTarget));
    } catch (error) {
      setProblem((error as Error).message);
    } finally {
      setBusy(false);
    }
  };
  return { submit, busy, problem };
}
