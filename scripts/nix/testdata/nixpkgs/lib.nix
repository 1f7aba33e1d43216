# Stands for the few functions of nixpkgs' lib that lixfix's expressions take: a module system without submodules, whose
# options are declared before they are set.
let
  inherit (builtins)
    all
    attrNames
    concatLists
    concatStringsSep
    filter
    foldl'
    hasAttr
    head
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isString
    listToAttrs
    map
    match
    ;
  isPath = x: builtins.typeOf x == "path";

  # A value as modules write it: a list of what counts, mkIf and mkMerge taken off.
  parts =
    v:
    if isAttrs v && v ? _merge then
      concatLists (map parts v._merge)
    else if isAttrs v && v ? _if then
      if v._if then parts v.content else [ ]
    else
      [ v ];
  # The attribute sets that a value above the options is made of. What mkIf says goes down to the attributes, for it can
  # depend on one of them.
  pushed =
    v:
    if v ? _merge then
      concatLists (map pushed v._merge)
    else if v ? _if then
      map (builtins.mapAttrs (_: lib.mkIf v._if)) (pushed v.content)
    else
      [ v ];

  anything = {
    name = "anything";
    check = _: true;
    merge =
      values:
      if all isAttrs values && !(head values ? type) then
        builtins.zipAttrsWith (_: vs: anything.merge (concatLists (map parts vs))) values
      else if all isList values then
        concatLists values
      else if builtins.length values == 1 then
        head values
      else
        throw "set twice";
  };
  plain = name: check: {
    inherit name check;
    merge =
      values: if builtins.length values == 1 then head values else throw "an option of type ${name} is set twice";
  };

  types = {
    inherit anything;
    bool = plain "bool" isBool;
    str = plain "str" isString;
    package = plain "package" (x: isAttrs x && (x.type or "") == "derivation");
    ints.positive = plain "positive integer" (x: isInt x && x > 0);
    strMatching = pattern: plain "string that matches ${pattern}" (x: isString x && match pattern x != null);
    nullOr = t: plain "null or ${t.name}" (x: x == null || t.check x);
    listOf = t: anything // { check = x: isList x && all t.check x; };
    attrsOf = t: anything // { check = isAttrs; };
    lines = plain "lines" isString // { merge = concatStringsSep "\n"; };
  };

  isOption = x: isAttrs x && x ? _option;

  evalModules =
    { modules, specialArgs ? { } }:
    let
      call =
        m:
        let
          file = if isPath m || isString m then import m else m;
          value = if isFunction file then file ({ inherit config lib; } // specialArgs) else file;
        in
        # Without "config", a module is its configuration.
        if value ? config || value ? options then
          { imports = value.imports or [ ]; options = value.options or { }; config = value.config or { }; }
        else
          { imports = value.imports or [ ]; options = { }; config = removeAttrs value [ "imports" ]; };
      collect = m: let c = call m; in [ c ] ++ concatLists (map collect c.imports);
      loaded = concatLists (map collect modules);
      declared = foldl' merge { } (map (m: m.options) loaded);
      merge =
        a: b:
        a
        // listToAttrs (
          map (name: {
            inherit name;
            value = if hasAttr name a && !(isOption a.${name}) then merge a.${name} b.${name} else b.${name};
          }) (attrNames b)
        );
      # What modules say of one place, and what is declared there.
      settle =
        path: options: definitions:
        let
          given = concatLists (map (if isOption options then parts else pushed) definitions);
          unknown = filter (n: !(hasAttr n options)) (concatLists (map attrNames given));
        in
        if isOption options then
          let
            value = if given == [ ] then options.default or (throw "${path} is not set") else options.type.merge given;
          in
          if all options.type.check given then value else throw "${path} is not of type ${options.type.name}"
        else if unknown != [ ] then
          throw "there is no option ${path}${head unknown}"
        else
          builtins.mapAttrs (
            name: o: settle "${path}${name}." o (map (d: d.${name}) (filter (d: hasAttr name d) given))
          ) options;
      config = settle "" declared (map (m: m.config) loaded);
    in
    { inherit config; };

  lib = {
    inherit types evalModules;
    mkOption = o: o // { _option = true; };
    mkIf = condition: content: { _if = condition; inherit content; };
    mkMerge = all: { _merge = all; };
    optionalString = c: s: if c then s else "";
    optionalAttrs = c: a: if c then a else { };
    genAttrs =
      names: f:
      listToAttrs (
        map (name: {
          inherit name;
          value = f name;
        }) names
      );
    licenses.mit = {
      spdxId = "MIT";
    };
    platforms = {
      linux = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      darwin = [
        "x86_64-darwin"
        "aarch64-darwin"
      ];
    };
  };
in
lib
