import { assertEquals, assertThrows } from "@std/assert";
import { notesOf } from "../../tasks/release_notes.ts";

const changelog = `# Changelog

## Unreleased

- soon

## 1.1.0, 2026-12-01

### API

- new

## 1.0.0, 2026-11-20

- first
`;

Deno.test("a release's notes are the changelog's section of its version", () => {
  assertEquals(notesOf("1.1.0", changelog, "1.1.0"), "### API\n\n- new");
  assertEquals(notesOf("1.0.0", changelog, "1.0.0"), "- first");
});

Deno.test("a version without a section, without a date, or of another document is refused", () => {
  assertThrows(() => notesOf("1.2.0", changelog, "1.2.0"), Error, "no section");
  assertThrows(() => notesOf("Unreleased", changelog, "1.1.0"), Error, "no date");
  assertThrows(() => notesOf("1.1.0", changelog, "1.0.0"), Error, "openapi.json says 1.0.0");
});
