"""Invented names for the sample history, and some that break careless programs."""

import random
from collections.abc import Iterator

from backend.entities.models import Entity


def _names(joined: str) -> list[str]:
    return joined.split("|")


_GIVEN = _names(
    "Aníbal|Belkis|Carmelo|Delcy|Efraín|Flor|Gerardo|Hilda|Isaías|Josefina|Leonel|Maigualida|"
    "Néstor|Omaira|Policarpo|Rosaura|Simón|Thaís|Ulises|Yolimar"
)
_FAMILY = _names(
    "Arvelo|Barrios|Carvajal|Duarte|Echenique|Farías|Guaramato|Hurtado|Istúriz|Landaeta|Marcano|"
    "Navas|Oropeza|Pacheco|Quijada|Rondón|Sanoja|Tovar|Urdaneta|Villasmil|Yánez|Zambrano"
)
_TRADES = _names(
    "Petroquímica|Naviera|Minera|Refinería|Aduanera|Agroindustria|Siderúrgica|Constructora|"
    "Transportes|Banco|Seguros|Electrificadora|Cementos|Telecomunicaciones"
)
_PLACES = _names(
    "del Caroní|de Coro|del Lago|de Barinas|del Orinoco|de Cumaná|del Sur|de Paraguaná|Los Andes|"
    "de Oriente|La Guaira|del Apure|de Valencia|Guayana|Mar Caribe|Costa Norte|El Tigre|Falcón"
)
_FORMS = ("C.A.", "S.A.", "y Cía.", "Holding", "Internacional")
_OFFICES = ("Ministerio de", "Dirección General de", "Superintendencia de", "Instituto Nacional de")
_PORTFOLIOS = _names(
    "Navegación Fluvial|Comercio de Frontera|Energía y Petróleo|Puertos y Aduanas|Banca Pública|"
    "Minería Artesanal|Divisas|Telégrafos|Caminos|Abastecimiento|Contraloría Minera|Archivos"
)

# Names as real sources deliver them: each breaks HTML, SQL, CSV, a terminal or a table's width.
AWKWARD_NAMES = (
    "O'Higgins \"El Jefe\" D'Arcy",
    "<script>alert('entity')</script> C.A.",
    "🛢️ Crudo & Cía. 🇻🇪",
    '=HYPERLINK("http://example.com/","Banco")',
    "'; DROP TABLE entities_entity; --",
    "100% {Importadora} %s $HOME \\N",
    "  Espacios\ty\nlíneas  ",
    "شركة النفط",
    "Consorcio " + "Muy Largo " * 29,
)


def name_entities(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yields (name, entity type) without end and without a repeated name.

    The awkward names come early, where popularity makes sure that they are mentioned.
    """
    used: set[str] = set()
    awkward = list(AWKWARD_NAMES)
    while True:
        entity_type = rng.choices(list(_MAKERS), weights=(4, 5, 1))[0]
        name = _MAKERS[entity_type](rng)
        if len(used) % 4 == 3 and awkward:
            name = awkward.pop(0)
        if name in used:
            # Towns have more than one Banco; past a few thousand entities this is the rule.
            name = f"{name} ({len(used)})"
        used.add(name)
        yield name, entity_type


def _person(rng: random.Random) -> str:
    return f"{rng.choice(_GIVEN)} {rng.choice(_FAMILY)} {rng.choice(_FAMILY)}"


def _company(rng: random.Random) -> str:
    return f"{rng.choice(_TRADES)} {rng.choice(_PLACES)} {rng.choice(_FORMS)}"


def _government(rng: random.Random) -> str:
    return f"{rng.choice(_OFFICES)} {rng.choice(_PORTFOLIOS)}"


_MAKERS = {
    Entity.EntityType.PERSON: _person,
    Entity.EntityType.COMPANY: _company,
    Entity.EntityType.GOVERNMENT: _government,
}
