/** Which rooms each room may open, beside itself; docs/architecture.md draws the arrows. */
export const arrows: Record<string, string[]> = {
  "main.ts": ["settings.ts", "server.ts", "routes", "db", "postgres", "embedded"],
  // The only place that knows the migrations command and the app.
  "migrate.config.ts": ["migrate", "tasks"],
  "permissions.ts": ["settings.ts"],
  "settings.ts": ["postgres"],
  "server.ts": [],
  "routes": ["db", "postgres", "demo"],
  "demo": ["client"],
  "db": ["postgres"],
  "postgres": [],
  "embedded": ["postgres"],
  "migrate": ["embedded", "postgres"],
  "tasks": ["db", "embedded", "postgres"],
  "client": [],
};
