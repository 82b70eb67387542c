/** What is not run again where TEST_DATABASE_URL names another server: it changes nothing about them. */

/** They start servers of their own. */
export const withOwnServer = [
  "tests/docs/tutorial_test.ts",
  "tests/docs/example_test.ts",
  "tests/docs/flask_migrate_test.ts",
  "tests/docs/readme_test.ts",
  "tests/deploy/dev_test.ts",
  "tests/deploy/kill_test.ts",
  "tests/embedded",
  "tests/run_test.ts",
];

/** They use none. */
export const withoutServer = [
  "tests/api/document_lint_test.ts",
  "tests/api/operation_test.ts",
  "tests/deploy/progress_test.ts",
  "tests/deploy/release_test.ts",
  "tests/deploy/workflows_test.ts",
  "tests/docs/architecture_test.ts",
  "tests/docs/contract_test.ts",
  "tests/docs/links_test.ts",
  "tests/docs/pins_test.ts",
  "tests/imports_test.ts",
  "tests/postgres/settings_test.ts",
  "tests/postgres/sql_test.ts",
  "tests/std_test.ts",
];
