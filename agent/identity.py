"""Who people are: one Ed25519 key pair a person, the private half encrypted with their password.

On a person's own machine an ``IdentityStore`` holds two files for each name: ``NAME.public.json``, which goes to the
laboratory, and ``NAME.private.json``, which stays. The agent reads the public ones into a ``People`` registry. The
role in a public file is what the person asked for; whoever puts the file into the laboratory's registry grants it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, OKPKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from agent.roles import Role
from envs.errors import UserError
from instruments.messages import Utc
from instruments.profile.decisions import PersonName

SCRYPT_N = 2**17
"""Cost of a password guess: scrypt with N = 2^17, r = 8, p = 1 takes 128 MiB (RFC 7914; OWASP's 2023 advice)."""
_R, _P = 8, 1
_MAX_N = 2**20
MIN_PASSWORD = 8
"""Fewest characters of a password (NIST SP 800-63B, section 5.1.1.1)."""
_ENCRYPTION = ["dir", "A256GCM"]
PUBLIC = ".public.json"
"""How the names of the files end that a laboratory reads."""
_PRIVATE = ".private.json"
_MAX_FILE = 65536

_Model = TypeVar("_Model", bound=BaseModel)


def first_fault(error: ValidationError) -> str:
    """The first thing that is wrong, with its key, in one line."""
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]


def check_name(name: str) -> str:
    """Return a person's name that can be a topic level and a file name.

    Raises:
        UserError: when it cannot.
    """
    try:
        return TypeAdapter(PersonName).validate_python(name)
    except ValidationError as error:
        raise UserError(
            f"{name!r} cannot be a person's name: use 1 to 64 of letters, digits, '_', '.' and '-', "
            "with a letter or digit first and last"
        ) from error


def _canonical(x: str) -> str:
    # The last character of 43 carries two spare bits: were they free, one key could wear several thumbprints.
    raw = base64.urlsafe_b64decode(f"{x}=")
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != x:
        raise ValueError("not canonical base64url")
    return x


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PublicKey(_Record):
    """The public half as a JWK (RFC 8037, section 2); there is no place for a private member."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    x: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{43}$"), AfterValidator(_canonical)]

    @property
    def kid(self) -> str:
        """The key's SHA-256 thumbprint (RFC 7638)."""
        return self.jwk().thumbprint()

    def jwk(self) -> OKPKey:
        """The key, ready to verify with."""
        return OKPKey.import_key({"kty": self.kty, "crv": self.crv, "x": self.x})


class Person(_Record):
    """A person as the laboratory knows them; ``revoked`` is when the key was given up, if it was."""

    name: PersonName
    role: Role
    key: PublicKey
    revoked: Utc | None = None


@dataclass(frozen=True)
class SigningKey:
    """A person's opened private key: held for one decision, never stored."""

    name: str
    role: Role
    key: OKPKey = field(repr=False)

    @property
    def kid(self) -> str:
        """The key's thumbprint, by which the registry finds its owner."""
        return self.key.thumbprint()


class People:
    """The laboratory's registry: who owns which key, in which role. A person may have had several keys.

    Raises:
        UserError: when one key is given to two entries.
    """

    def __init__(self, persons: Iterable[Person]) -> None:
        self._by_key: dict[str, Person] = {}
        for person in persons:
            other = self._by_key.setdefault(person.key.kid, person)
            if other is not person:
                raise UserError(f"{other.name} and {person.name} have the same key: each entry needs its own")

    def find(self, kid: str) -> Person | None:
        """The owner of a key, or ``None``."""
        return self._by_key.get(kid)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._by_key.values())

    @classmethod
    def from_directory(cls, directory: Path) -> Self:
        """Read all ``*.public.json`` files of a directory.

        Raises:
            UserError: when one cannot be read or two hold the same key.
        """
        return cls(_read(path, Person) for path in sorted(directory.glob(f"*{PUBLIC}")))


class _Scrypt(_Record):
    n: Annotated[int, Field(ge=2, le=_MAX_N)]
    salt: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32,128}$")]


class _PrivateFile(_Record):
    """The private JWK as a JWE whose key scrypt makes from the password."""

    name: PersonName
    scrypt: _Scrypt
    jwe: str


class IdentityStore:
    """The key pairs on this machine.

    Args:
        directory: where the files are; made, for its owner only, when the first identity is.
        cost: scrypt's N for new identities, a power of two.
    """

    def __init__(self, directory: Path, *, cost: int = SCRYPT_N) -> None:
        self.directory = directory
        self._cost = cost

    def check_new(self, name: str) -> None:
        """Raise a ``UserError`` when the name is not valid or is taken: nothing is ever overwritten."""
        check_name(name)
        for path in (self.private_path(name), self.public_path(name)):
            if path.exists():
                raise UserError(f"{path} exists already: an identity is never overwritten; choose another name")

    def create(self, name: str, role: Role, password: str) -> Person:
        """Make a key pair and keep it, the private half encrypted.

        Raises:
            UserError: the name is not valid or taken, the password too short, or the files cannot be written.
        """
        self.check_new(name)
        _check_password(password)
        key = OKPKey.generate_key("Ed25519")
        person = Person(name=name, role=role, key=PublicKey(x=str(key.as_dict(private=False)["x"])))
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_new(self.private_path(name), self._encrypt(name, key, password))
            try:
                _write_new(self.public_path(name), person)
            except BaseException:
                self.private_path(name).unlink()
                raise
        except OSError as error:
            raise UserError(f"{error.filename or self.directory} cannot be written: {error.strerror}") from error
        return person

    def open(self, name: str, password: str) -> SigningKey:
        """Decrypt a person's private key.

        Raises:
            UserError: there is no such identity, its files are damaged or open to others, or the password is wrong.
        """
        person = self.person(name)
        if person.revoked is not None:
            raise UserError(f"{name} gave this key up at {person.revoked}: make a new one, under another --dir or name")
        path = self.private_path(name)
        stored = _read(path, _PrivateFile)
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise UserError(f"{path} can be read by others: run chmod 600 on it, or give the key up")
        return _opened(person, stored, password, private=path.name, public=self.public_path(name).name)

    def person(self, name: str) -> Person:
        """The public part of one identity.

        Raises:
            UserError: there is none of this name, or its file is damaged.
        """
        path = self.public_path(check_name(name))
        if not path.exists():
            known = ", ".join(person.name for person in self.persons()) or "none"
            raise UserError(
                f"no identity {name!r} in {self.directory} (there: {known}); "
                f"make one with: labwright identity new {name} --role ROLE"
            )
        person = _read(path, Person)
        if person.name != name:
            raise UserError(f"{path} is the identity of {person.name!r}, not of {name!r}: files must not be renamed")
        return person

    def persons(self) -> list[Person]:
        """All identities on this machine, by name.

        Raises:
            UserError: when a file is damaged.
        """
        return [_read(path, Person) for path in sorted(self.directory.glob(f"*{PUBLIC}"))]

    def public_path(self, name: str) -> Path:
        """The file to hand to the laboratory."""
        return self.directory / f"{name}{PUBLIC}"

    def private_path(self, name: str) -> Path:
        """The file that stays here."""
        return self.directory / f"{name}{_PRIVATE}"

    def _encrypt(self, name: str, key: OKPKey, password: str) -> _PrivateFile:
        scrypt = _Scrypt(n=self._cost, salt=secrets.token_hex(16))
        plain = json.dumps(key.as_dict(private=True)).encode()
        header = {"alg": _ENCRYPTION[0], "enc": _ENCRYPTION[1]}
        token = jwe.encrypt_compact(header, plain, _password_key(password, scrypt), algorithms=_ENCRYPTION)
        return _PrivateFile(name=name, scrypt=scrypt, jwe=token)


class KeyPair:
    """The two files of one identity that somebody has brought along; the private half stays encrypted.

    Args:
        public: content of ``NAME.public.json``.
        private: content of ``NAME.private.json``.

    Raises:
        UserError: they are too long, damaged, not of one name, or the key's cost is beyond what is made here.
    """

    def __init__(self, public: bytes, private: bytes) -> None:
        self.person = _parsed(public, Person, f"the {PUBLIC} file")
        self._stored = _parsed(private, _PrivateFile, f"the {_PRIVATE} file")
        if self._stored.name != self.person.name:
            raise UserError(f"the files are of two people: {self.person.name} and {self._stored.name}")
        if self._stored.scrypt.n > SCRYPT_N:
            raise UserError(f"the {_PRIVATE} file asks for more memory than any that is made here: it is damaged")

    def open(self, password: str) -> SigningKey:
        """Decrypt the private half.

        Raises:
            UserError: the password is wrong, or the files do not belong together.
        """
        name = self.person.name
        return _opened(self.person, self._stored, password, private=f"{name}{_PRIVATE}", public=f"{name}{PUBLIC}")


def read_person(path: Path) -> Person:
    """Read a public file.

    Raises:
        UserError: it cannot be read, is damaged, or is no public file.
    """
    if path.name.endswith(_PRIVATE):
        other = path.with_name(path.name.removesuffix(_PRIVATE) + PUBLIC).name
        raise UserError(f"{path} is the private half, which stays with its owner: the laboratory needs {other}")
    return _read(path, Person)


def default_directory() -> Path:
    """Where this user's identities are kept."""
    from platformdirs import user_data_path

    return user_data_path("labwright", appauthor=False) / "identities"


def _opened(person: Person, stored: _PrivateFile, password: str, *, private: str, public: str) -> SigningKey:
    try:
        plain = jwe.decrypt_compact(stored.jwe, _password_key(password, stored.scrypt), algorithms=_ENCRYPTION)
        key = OKPKey.import_key(json.loads(plain.plaintext or b""))
    except (JoseError, ValueError) as error:
        raise UserError(f"wrong password for {person.name} (or {private} is damaged)") from error
    if not key.is_private or key.thumbprint() != person.key.kid:
        raise UserError(f"{private} does not belong to {public}: restore both from one backup")
    return SigningKey(person.name, person.role, key)


def _check_password(password: str) -> None:
    if len(password) < MIN_PASSWORD:
        raise UserError(f"the password has {len(password)} characters: use at least {MIN_PASSWORD}")
    try:
        password.encode()
    except UnicodeEncodeError as error:
        raise UserError("the password is not valid text: use characters that every keyboard has") from error


def _password_key(password: str, scrypt: _Scrypt) -> OctKey:
    # NFKC: the same password typed on another keyboard must give the same bytes.
    secret = unicodedata.normalize("NFKC", password).encode()
    salt = bytes.fromhex(scrypt.salt)
    raw = hashlib.scrypt(secret, salt=salt, n=scrypt.n, r=_R, p=_P, maxmem=256 * _R * scrypt.n, dklen=32)
    return OctKey.import_key({"kty": "oct", "k": base64.urlsafe_b64encode(raw).decode().rstrip("=")})


def _write_new(path: Path, record: BaseModel) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(record.model_dump_json(indent=2, exclude_none=True) + "\n")
            handle.flush()
            os.fsync(handle.fileno())
    except BaseException:
        path.unlink()
        raise


def _read(path: Path, model: type[_Model]) -> _Model:
    try:
        with path.open("rb") as handle:
            content = handle.read(_MAX_FILE)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    return _parsed(content, model, str(path))


def _parsed(content: bytes, model: type[_Model], what: str) -> _Model:
    try:
        return model.model_validate_json(content[:_MAX_FILE])
    except ValidationError as error:
        raise UserError(f"{what} is damaged or no identity: {first_fault(error)}") from error
