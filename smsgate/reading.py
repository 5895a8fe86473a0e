"""How one programme reads texts: its forms, words and settings as one immutable value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from smsgate.catalogue import Catalogue
from smsgate.fields import Typing
from smsgate.form import Form
from smsgate.local_form import LocalForm

_MOST_LOCAL_FORMS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRules:
    """What `programme` hands to those who read texts; a change of settings makes a new one.

    Attributes:
        forms: The forms by upper-case code (`form.code_key`).
        catalogue: The programme's words.
        locale: Setting `locale`.
        default_country_code: Setting `default_country_code`, as text.
        phone_validation: Setting `phone_validation`: full, partial or none.
        forms_only_mode: Setting `forms_only_mode`.
        timezone: Setting `smsgate.timezone`: where dates without an offset were written.
    """

    forms: Mapping[str, Form]
    catalogue: Catalogue
    locale: str = "en"
    default_country_code: str | None = None
    phone_validation: str = "full"
    forms_only_mode: bool = False
    timezone: tzinfo = UTC
    _local: dict[tuple[Form, str], LocalForm] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def local(self, form: Form, locale: str | None = None) -> LocalForm:
        """Return `form` as it is read in `locale` (by default the settings'), made once."""
        key = (form, locale or self.locale)
        found = self._local.get(key)
        if found is None:
            if len(self._local) >= _MOST_LOCAL_FORMS:
                self._local.clear()  # locales come from outside; they may not fill the memory
            found = self._local[key] = LocalForm(form, key[1], self.typing())
        return found

    def typing(self) -> Typing:
        """Return the part of the settings that the readers of values need."""
        return Typing(
            locale=self.locale,
            catalogue=self.catalogue,
            country_code=self.default_country_code,
            phone_validation=self.phone_validation,
            zone=self.timezone,
        )
