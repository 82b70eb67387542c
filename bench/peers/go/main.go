// The same work in Go: net/http and pgx, as its tutorials write it.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

type todo struct {
	ID          int64      `json:"id"`
	Description string     `json:"description"`
	Completed   bool       `json:"completed"`
	DueDate     *time.Time `json:"due_date"`
	StudentID   *int64     `json:"student_id"`
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
	Version     int64      `json:"version"`
}

const columns = `id, description, completed, due_date, student_id, created_at, updated_at, version`

type handler func(w http.ResponseWriter, r *http.Request, owner int64) error

type server struct{ pool *pgxpool.Pool }

var keyPattern = regexp.MustCompile(`^Bearer slate_bench_(\d+)_(\d+)_([\w-]{43})$`)

func (s server) secured(next handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		owner, err := s.caller(r)
		if err == nil {
			err = next(w, r, owner)
		}
		switch {
		case err == nil:
		case errors.Is(err, errUnauthorized):
			http.Error(w, "unauthorized", http.StatusUnauthorized)
		case errors.Is(err, pgx.ErrNoRows):
			http.Error(w, "not found", http.StatusNotFound)
		case errors.Is(err, errInvalid):
			http.Error(w, "invalid", http.StatusUnprocessableEntity)
		default:
			log.Print(err)
			http.Error(w, "internal error", http.StatusInternalServerError)
		}
	}
}

var errUnauthorized = errors.New("unauthorized")
var errInvalid = errors.New("invalid")

func (s server) caller(r *http.Request) (owner int64, err error) {
	match := keyPattern.FindStringSubmatch(r.Header.Get("Authorization"))
	if match == nil {
		return 0, errUnauthorized
	}
	holder, _ := strconv.ParseInt(match[1], 10, 64)
	id, _ := strconv.ParseInt(match[2], 10, 64)
	hash := sha256.Sum256([]byte(match[3]))
	var scope string
	err = s.pool.QueryRow(r.Context(), `
		select owner_id, scope from keys
		where owner_id = $1 and id = $2 and secret_hash = $3
			and (expires_at is null or expires_at > now())`,
		holder, id, hash[:]).Scan(&owner, &scope)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && scope == "read" && r.Method != "GET" {
		return 0, errUnauthorized
	}
	return owner, err
}

func (s server) one(ctx context.Context, query string, args ...any) (todo, error) {
	rows, err := s.pool.Query(ctx, query, args...)
	if err != nil {
		return todo{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[todo])
}

func (s server) get(w http.ResponseWriter, r *http.Request, owner int64) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return errInvalid
	}
	row, err := s.one(r.Context(),
		`select `+columns+` from todos where id = $1 and owner_id = $2`, id, owner)
	if err != nil {
		return err
	}
	return send(w, http.StatusOK, row)
}

func (s server) list(w http.ResponseWriter, r *http.Request, owner int64) error {
	query := r.URL.Query()
	limit, after := 20, int64(0)
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100 {
			return errInvalid
		}
		limit = n
	}
	if text := query.Get("cursor"); text != "" {
		bytes, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			return errInvalid
		}
		if after, err = strconv.ParseInt(string(bytes), 10, 64); err != nil {
			return errInvalid
		}
	}
	statement := `select ` + columns + ` from todos where owner_id = $1 and id > $2`
	switch query.Get("completed") {
	case "true":
		statement += ` and completed`
	case "false":
		statement += ` and not completed`
	}
	rows, err := s.pool.Query(r.Context(), statement+` order by id limit $3`, owner, after, limit+1)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[todo])
	if err != nil {
		return err
	}
	page := struct {
		Data       []todo  `json:"data"`
		NextCursor *string `json:"next_cursor"`
	}{Data: found}
	if len(found) > limit {
		page.Data = found[:limit]
		last := strconv.FormatInt(found[limit-1].ID, 10)
		cursor := base64.RawURLEncoding.EncodeToString([]byte(last))
		page.NextCursor = &cursor
		w.Header().Set("Link", `<`+r.URL.Path+`?cursor=`+cursor+`>; rel="next"`)
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(page)
}

type fields struct {
	Description *string    `json:"description"`
	Completed   *bool      `json:"completed"`
	DueDate     *time.Time `json:"due_date"`
	StudentID   *int64     `json:"student_id"`
}

func read(w http.ResponseWriter, r *http.Request) (fields fields, err error) {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&fields) != nil {
		return fields, errInvalid
	}
	if fields.Description != nil {
		if n := utf8.RuneCountInString(*fields.Description); n < 1 || n > 10000 {
			return fields, errInvalid
		}
	}
	return fields, nil
}

func (s server) create(w http.ResponseWriter, r *http.Request, owner int64) error {
	fields, err := read(w, r)
	if err != nil || fields.Description == nil {
		return errInvalid
	}
	completed := fields.Completed != nil && *fields.Completed
	row, err := s.one(r.Context(), `
		insert into todos (owner_id, description, completed, due_date, student_id)
		values ($1, $2, $3, $4, $5) returning `+columns,
		owner, *fields.Description, completed, fields.DueDate, fields.StudentID)
	if err != nil {
		return err
	}
	w.Header().Set("Location", fmt.Sprintf("/api/todos/%d", row.ID))
	return send(w, http.StatusCreated, row)
}

// Like the other peers it takes null for a field that was left out: a merge patch costs more.
func (s server) update(w http.ResponseWriter, r *http.Request, owner int64) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return errInvalid
	}
	fields, err := read(w, r)
	if err != nil {
		return err
	}
	var version *int64
	if tag := r.Header.Get("If-Match"); tag != "" {
		text, _ := strconv.Unquote(tag)
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return errInvalid
		}
		version = &n
	}
	row, err := s.one(r.Context(), `
		update todos set
			description = coalesce($3, description), completed = coalesce($4, completed),
			due_date = coalesce($5, due_date), student_id = coalesce($6, student_id)
		where id = $1 and owner_id = $2 and ($7::bigint is null or version = $7)
		returning `+columns,
		id, owner, fields.Description, fields.Completed, fields.DueDate, fields.StudentID, version)
	if errors.Is(err, pgx.ErrNoRows) && version != nil {
		var present bool
		err = s.pool.QueryRow(r.Context(),
			`select true from todos where id = $1 and owner_id = $2`, id, owner).Scan(&present)
		if err != nil {
			return err
		}
		w.WriteHeader(http.StatusPreconditionFailed)
		return nil
	}
	if err != nil {
		return err
	}
	return send(w, http.StatusOK, row)
}

func send(w http.ResponseWriter, status int, row todo) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("ETag", `"`+strconv.FormatInt(row.Version, 10)+`"`)
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(row)
}

func main() {
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	size, err := strconv.Atoi(os.Getenv("POOL_SIZE"))
	if err != nil {
		log.Fatal(err)
	}
	config.MaxConns = int32(size)
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		log.Fatal(err)
	}
	s := server{pool}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/todos", s.secured(s.list))
	mux.HandleFunc("POST /api/todos", s.secured(s.create))
	mux.HandleFunc("GET /api/todos/{id}", s.secured(s.get))
	mux.HandleFunc("PATCH /api/todos/{id}", s.secured(s.update))
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, mux))
}
