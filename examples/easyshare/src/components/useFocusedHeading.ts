"use client";

import { useEffect, useRef } from "react";

/** For the heading of a view that has taken another's place: what had the focus is gone, and this is where one reads on. */
export function useFocusedHeading() {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
  }, []);
  return heading;
}
