import type { NextConfig } from "next";

const config: NextConfig = {
  // The folder above has a lock file of its own, which Next would take for the root of this application.
  turbopack: { root: import.meta.dirname },
  poweredByHeader: false,
  devIndicators: false,
};

export default config;
