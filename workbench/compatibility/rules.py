"""Every rule by which a schema differs from another: its stable name, and whether it breaks.

The rules of JSON Schema are those of the Schema Registry, by the names of its change types
in small letters. A few are added, marked `own`: there the registry finds a change harmless,
or does not look, although a payload exists that the old schema accepts and the new one
refuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Origin = Literal["registry", "own", "avro"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its name, whether it breaks a reader, and who has set it."""

    name: str
    breaks: bool
    origin: Origin = "registry"


_HARMLESS = """
id_changed description_changed title_changed default_changed schema_removed type_extended
max_length_increased max_length_removed min_length_decreased min_length_removed pattern_removed
maximum_increased maximum_removed minimum_decreased minimum_removed
exclusive_maximum_increased exclusive_maximum_removed
exclusive_minimum_decreased exclusive_minimum_removed multiple_of_reduced multiple_of_removed
required_attribute_with_default_added required_attribute_removed
dependency_array_narrowed dependency_array_removed dependency_schema_removed
max_properties_increased max_properties_removed min_properties_decreased min_properties_removed
additional_properties_added additional_properties_extended
property_with_empty_schema_added_to_open_content_model
required_property_with_default_added_to_unopen_content_model
optional_property_added_to_unopen_content_model
property_with_false_removed_from_closed_content_model
property_removed_from_open_content_model
property_added_is_covered_by_partially_open_content_model
property_removed_is_covered_by_partially_open_content_model
max_items_increased max_items_removed min_items_decreased min_items_removed unique_items_removed
additional_items_added additional_items_extended
item_with_empty_schema_added_to_open_content_model item_added_to_closed_content_model
item_with_false_removed_from_closed_content_model item_removed_from_open_content_model
item_added_is_covered_by_partially_open_content_model
item_removed_is_covered_by_partially_open_content_model
enum_array_extended combined_type_extended product_type_narrowed sum_type_extended
not_type_narrowed
""".split()  # noqa: SIM905, a table

_BREAKING = """
schema_added type_changed type_narrowed
max_length_decreased max_length_added min_length_increased min_length_added
pattern_added pattern_changed
maximum_decreased maximum_added minimum_increased minimum_added
exclusive_maximum_decreased exclusive_maximum_added
exclusive_minimum_increased exclusive_minimum_added
multiple_of_added multiple_of_expanded multiple_of_changed
required_attribute_added required_property_added_to_unopen_content_model
dependency_array_added dependency_array_extended dependency_array_changed
dependency_schema_added
max_properties_added max_properties_decreased min_properties_added min_properties_increased
additional_properties_removed additional_properties_narrowed
property_added_to_open_content_model property_removed_from_closed_content_model
property_added_not_covered_by_partially_open_content_model
property_removed_not_covered_by_partially_open_content_model
max_items_added max_items_decreased min_items_added min_items_increased unique_items_added
additional_items_removed additional_items_narrowed
item_added_to_open_content_model item_removed_from_closed_content_model
item_added_not_covered_by_partially_open_content_model
item_removed_not_covered_by_partially_open_content_model
enum_array_narrowed enum_array_changed
combined_type_changed product_type_extended sum_type_narrowed
combined_type_subschemas_changed not_type_extended
""".split()  # noqa: SIM905, a table

_OWN_HARMLESS = """
format_changed keyword_unknown contains_removed property_names_removed
type_removed pattern_property_removed
""".split()  # noqa: SIM905, a table

_OWN_BREAKING = """
type_added one_of_overlaps pattern_property_added pattern_property_not_covered
contains_added contains_changed property_names_added property_names_changed
conditional_changed property_also_matched
""".split()  # noqa: SIM905, a table

_AVRO_HARMLESS = """
field_with_default_added field_ignored type_promoted enum_symbol_defaulted
""".split()  # noqa: SIM905, a table

_AVRO_BREAKING = """
name_mismatch fixed_size_mismatch missing_enum_symbols reader_field_missing_default_value
type_mismatch missing_union_branch decimal_mismatch
""".split()  # noqa: SIM905, a table

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        *(Rule(name, breaks=False) for name in _HARMLESS),
        *(Rule(name, breaks=True) for name in _BREAKING),
        *(Rule(name, breaks=False, origin="own") for name in _OWN_HARMLESS),
        *(Rule(name, breaks=True, origin="own") for name in _OWN_BREAKING),
        *(Rule(name, breaks=False, origin="avro") for name in _AVRO_HARMLESS),
        *(Rule(name, breaks=True, origin="avro") for name in _AVRO_BREAKING),
    )
}
