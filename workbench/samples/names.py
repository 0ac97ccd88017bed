"""What the sample shop sells, and the names and places of its customers.

Plain data, kept apart from :mod:`workbench.samples.life`, which draws from it.
"""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple


class Product(NamedTuple):
    """One product in several colours, each of them an item of its own.

    Attributes
    ----------
    slug
        The first part of the item's number.
    title
        What a customer reads.
    price
        The price in EUR, with two decimals.
    colours
        The last part of each item's number.
    since
        The first day on which it is sold.
    """

    slug: str
    title: str
    price: str
    colours: tuple[str, ...]
    since: date = date(2025, 1, 1)


class Country(NamedTuple):
    """Where a share of the customers lives.

    Attributes
    ----------
    code
        ISO 3166 alpha-2.
    weight
        Its share of the customers.
    first_names, last_names
        Combined at random; an empty last name is a person with one name.
    streets
        Without the number.
    places
        Pairs of a postcode and a city.
    """

    code: str
    weight: int
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    streets: tuple[str, ...]
    places: tuple[tuple[str, str], ...]


AUTUMN: Final = date(2025, 9, 15)
SPRING: Final = date(2026, 2, 16)

PRODUCTS: Final = (
    Product("mug", "Mug", "14.90", ("blue", "white", "red", "sand")),
    Product("bowl", "Café au lait bowl", "18.50", ("blue", "white", "green")),
    Product("towel", "Tea towel", "9.95", ("blue", "grey", "red", "striped")),
    Product("candle", "Candle", "12.40", ("white", "red", "green")),
    Product("advent", "Advent candles", "24.90", ("red", "white"), AUTUMN),
    Product("plate", "Plate", "16.20", ("blue", "white", "sand")),
    Product("blanket", "Häkeldecke", "79.00", ("grey", "sand"), AUTUMN),
    Product("pan", "Crêpe pan", "39.90", ("black",)),
    Product("apron", "Apron", "29.90", ("blue", "black", "striped")),
    Product("vase", "Vase", "34.50", ("blue", "white", "green")),
    Product("teapot", "Teapot", "44.80", ("white", "black")),
    Product("lantern", "Lantern", "27.30", ("black", "white"), AUTUMN),
    Product("jug", "Jug", "22.70", ("blue", "sand")),
    Product("board", "Cutting board", "31.60", ("oak", "walnut")),
    Product("planter", "Planter", "19.80", ("green", "sand", "white"), SPRING),
    Product("basket", "Basket", "26.40", ("sand", "grey")),
    Product("glass", "Glass", "7.60", ("clear", "green")),
    Product("cushion", "Cushion", "33.10", ("blue", "grey", "striped")),
    Product("watering", "Watering can", "28.90", ("green", "grey"), SPRING),
    Product("rug", "Rug", "129.00", ("grey", "striped")),
)
"""In the order of their popularity."""

COUNTRIES: Final = (
    Country(
        "DE",
        46,
        ("Jürgen", "Änne", "Lena", "Paul", "Mia", "Götz", "Sabine", "Jonas", "Ida"),
        ("Müller", "Groß", "Schäfer", "Weber", "Köhler", "Lange", "von der Heide"),
        ("Hauptstraße", "Gartenweg", "Lindenallee", "Am Brühl", "Mühlgasse"),
        (
            ("10115", "Berlin"),
            ("04109", "Leipzig"),
            ("80331", "München"),
            ("50667", "Köln"),
            ("20095", "Hamburg"),
        ),
    ),
    Country(
        "FR",
        16,
        ("Zoë", "Anaïs", "François", "Hélène", "Luc", "Théo"),
        ("Lefèvre", "Martin", "Dupré", "Garçon", "Moreau"),
        ("rue de l'Église", "avenue Foch", "quai d'Orléans"),
        (("67000", "Strasbourg"), ("69001", "Lyon"), ("13001", "Marseille")),
    ),
    Country(
        "PL",
        10,
        ("Łukasz", "Zofia", "Michał", "Ewa"),
        ("Wiśniewski", "Nowak", "Dąbrowska", "Żak"),
        ("ul. Długa", "ul. Słoneczna"),
        (("00-001", "Warszawa"), ("50-001", "Wrocław"), ("90-001", "Łódź")),
    ),
    Country(
        "NL",
        9,
        ("Sanne", "Daan", "Noor", "Bram"),
        ("de Vries", "Jansen", "van den Berg", "Bakker"),
        ("Keizersgracht", "Dorpsstraat"),
        (("1015 CJ", "Amsterdam"), ("3511 AB", "Utrecht")),
    ),
    Country(
        "DK",
        6,
        ("Søren", "Freja", "Åse", "Mads"),
        ("Jensen", "Østergaard", "Kjær"),
        ("Nørregade", "Strandvejen"),
        (("1165", "København"), ("8000", "Aarhus")),
    ),
    Country(
        "ES",
        5,
        ("José", "Begoña", "Íñigo", "Lucía"),
        ("Núñez", "García Lorca", "Peña"),
        ("calle Mayor", "paseo del Río"),
        (("28013", "Madrid"), ("15001", "A Coruña")),
    ),
    Country(
        "IS",
        3,
        ("Björk", "Þóra", "Ægir"),
        ("", "Guðmundsdóttir"),
        ("Laugavegur",),
        (("101", "Reykjavík"),),
    ),
    Country(
        "GR",
        3,
        ("Ελένη", "Γιώργος"),
        ("Παπαδοπούλου", "Νικολάου"),
        ("Ερμού",),
        (("105 63", "Αθήνα"),),
    ),
    Country(
        "JP",
        2,
        ("美咲", "大輔"),
        ("佐藤", "鈴木"),
        ("神宮前",),
        (("150-0001", "東京都渋谷区"),),
    ),
)

CARRIERS: Final = (("Kestrel", 5, 1.2), ("Nordpost", 4, 2.1), ("Snail & Sons", 1, 4.0))
"""Name, share of the parcels, and days that a parcel takes on average."""
