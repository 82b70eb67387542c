"""The same work in Flask with SQLAlchemy and psycopg2, as its tutorials write it."""

import base64
import hashlib
import os
import re
from datetime import datetime, timezone

from flask import Flask, abort, g, jsonify, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import FetchedValue, or_
from sqlalchemy.orm import Mapped, mapped_column

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"].replace(
    "postgres://", "postgresql+psycopg2://"
)
app.json.sort_keys = False
db = SQLAlchemy(app)


class Key(db.Model):
    __tablename__ = "keys"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]
    scope: Mapped[str]
    secret_hash: Mapped[bytes]
    expires_at: Mapped[datetime | None]


class Todo(db.Model):
    __tablename__ = "todos"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]
    description: Mapped[str]
    completed: Mapped[bool]
    due_date: Mapped[datetime | None] = mapped_column(db.DateTime(timezone=True))
    student_id: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(
        db.DateTime(timezone=True), server_default=FetchedValue()
    )
    updated_at: Mapped[datetime] = mapped_column(
        db.DateTime(timezone=True), server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    version: Mapped[int] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )

    # One statement with RETURNING instead of one more select after each write.
    __mapper_args__ = {"eager_defaults": True}

    def to_dict(self):
        return {
            "id": self.id,
            "description": self.description,
            "completed": self.completed,
            "due_date": utc(self.due_date),
            "student_id": self.student_id,
            "created_at": utc(self.created_at),
            "updated_at": utc(self.updated_at),
            "version": self.version,
        }


def utc(moment):
    return moment and moment.astimezone(timezone.utc).isoformat()


@app.before_request
def authenticate():
    pattern = r"Bearer slate_bench_(\d+)_(\d+)_([\w-]{43})"
    match = re.fullmatch(pattern, request.headers.get("Authorization", ""))
    if not match:
        abort(401)
    digest = hashlib.sha256(match[3].encode()).digest()
    key = db.session.execute(
        db.select(Key).where(
            Key.owner_id == int(match[1]),
            Key.id == int(match[2]),
            Key.secret_hash == digest,
            or_(Key.expires_at.is_(None), Key.expires_at > db.func.now()),
        )
    ).scalar_one_or_none()
    if key is None or (key.scope == "read" and request.method != "GET"):
        abort(401)
    g.owner_id = key.owner_id


def own(todo_id):
    return db.one_or_404(db.select(Todo).where(Todo.id == todo_id, Todo.owner_id == g.owner_id))


def send(todo, status=200):
    return jsonify(todo.to_dict()), status, {"ETag": f'"{todo.version}"'}


def fields():
    body = request.get_json()
    if body.keys() - {"description", "completed", "due_date", "student_id"}:
        abort(422)
    if "description" in body and not 1 <= len(body["description"]) <= 10_000:
        abort(422)
    if body.get("due_date"):
        body["due_date"] = datetime.fromisoformat(body["due_date"])
    return body


@app.get("/api/todos/<int:todo_id>")
def get_todo(todo_id):
    return send(own(todo_id))


@app.get("/api/todos")
def list_todos():
    limit = request.args.get("limit", 20, int)
    if not 1 <= limit <= 100:
        abort(400)
    query = db.select(Todo).where(Todo.owner_id == g.owner_id).order_by(Todo.id).limit(limit + 1)
    if "cursor" in request.args:
        query = query.where(Todo.id > int(base64.urlsafe_b64decode(request.args["cursor"])))
    if "completed" in request.args:
        query = query.where(Todo.completed == (request.args["completed"] == "true"))
    todos = db.session.execute(query).scalars().all()
    cursor = None
    if len(todos) > limit:
        cursor = base64.urlsafe_b64encode(str(todos[limit - 1].id).encode()).decode()
    return {"data": [todo.to_dict() for todo in todos[:limit]], "next_cursor": cursor}


@app.post("/api/todos")
def create_todo():
    todo = Todo(owner_id=g.owner_id, **{"completed": False, **fields()})
    db.session.add(todo)
    db.session.flush()
    answer = send(todo, 201)
    db.session.commit()
    return answer


@app.patch("/api/todos/<int:todo_id>")
def update_todo(todo_id):
    todo = db.one_or_404(
        db.select(Todo).where(Todo.id == todo_id, Todo.owner_id == g.owner_id).with_for_update()
    )
    expected = request.headers.get("If-Match")
    if expected is not None and expected != f'"{todo.version}"':
        abort(412)
    for name, value in fields().items():
        setattr(todo, name, value)
    db.session.flush()
    answer = send(todo)
    db.session.commit()
    return answer
