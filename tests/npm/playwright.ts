export { type Browser, chromium, type Page } from "npm:playwright-core@1.65.1";
