//! Protos to Rust without protoc: the messages and services, the descriptors that reflection
//! serves, and the table of methods with what each requires.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files([
        "milvus.proto",
        "access.proto",
        "authorization.proto",
    ])?;
    // The encoded form keeps the privilege options, which the prost types drop.
    let descriptors = compiler.encode_file_descriptor_set();
    fs::write(out.join("descriptors.bin"), &descriptors)?;
    fs::write(out.join("methods.rs"), method_table(&DescriptorPool::decode(&*descriptors)?)?)?;

    tonic_prost_build::configure()
        .build_client(true)
        // The service has a method `Connect`, which would clash with the client's constructor.
        .build_transport(false)
        .generate_default_stubs(true)
        .codec_path("crate::rpc::codec::Codec")
        // The same bytes go to many followers.
        .bytes(".milvus_rbac.v1")
        .include_file("protos.rs")
        .compile_fds(compiler.file_descriptor_set())?;
    // What a store calls, and nobody is told of.
    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        .compile_fds(protox::compile(["etcd.proto"], ["proto"])?)?;
    Ok(())
}

/// One line for each method: its path, the privilege option of its request, and the numbers of
/// the fields that the gate reads.
fn method_table(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let extension = pool
        .get_extension_by_name("milvus.proto.common.privilege_ext_obj")
        .ok_or("no privilege_ext_obj")?;
    let mut table = String::from("pub(super) static METHODS: &[MethodRow] = &[\n");
    let ours = ["milvus.proto.milvus", "milvus_rbac.v1"];
    for service in pool.services().filter(|s| ours.contains(&s.package_name())) {
        for method in service.methods() {
            let request = method.input();
            let options = request.options();
            let option = options
                .has_extension(&extension)
                .then(|| options.get_extension(&extension).into_owned());
            let field = |name: &str, other: &str| {
                request.get_field_by_name(name).or_else(|| request.get_field_by_name(other))
            };
            let number = |field: Option<&FieldDescriptor>| field.map_or(0, |f| f.number());
            let collection = field("collection_name", "collectionName");
            writeln!(
                table,
                "    MethodRow {{ path: \"/{}/{}\", name: \"{}\", option: {}, database: {}, collection: {}, collections: {}, id: {}, names: &[{}], streaming: {} }},",
                service.full_name(),
                method.name(),
                method.name(),
                option_row(&request, option)?,
                number(field("db_name", "dbName").as_ref()),
                number(collection.as_ref()),
                collection.is_some_and(|field| field.is_list()),
                number(field("collectionID", "collection_id").as_ref()),
                names(&request).iter().map(|path| format!("&{path:?}, ")).collect::<String>(),
                method.is_client_streaming() || method.is_server_streaming(),
            )?;
        }
    }
    table.push_str("];\n");
    Ok(table)
}

/// Where a request names things that are kept under their names.
fn names(request: &MessageDescriptor) -> Vec<Vec<u32>> {
    const NAMES: [&str; 15] = [
        "db_name",
        "dbName",
        "newDBName",
        "target_db_name",
        "collection_name",
        "collectionName",
        "collection_names",
        "target_collection_name",
        "oldName",
        "newName",
        "alias",
        "partition_name",
        "partition_names",
        // Of HybridSearch: searches, which have names of their own.
        "requests",
        // Of FlushAll: databases with their collections.
        "flush_targets",
    ];
    let mut paths = Vec::new();
    for field in request.fields().filter(|field| NAMES.contains(&field.name())) {
        match field.kind() {
            Kind::String => paths.push(vec![field.number()]),
            Kind::Message(inner) => paths.extend(
                names(&inner).into_iter().map(|path| [vec![field.number()], path].concat()),
            ),
            _ => {}
        }
    }
    paths
}

fn option_row(
    request: &MessageDescriptor,
    option: Option<Value>,
) -> Result<String, Box<dyn Error>> {
    let Some(option) = option else {
        return Ok("None".to_owned());
    };
    let option: &DynamicMessage = option.as_message().ok_or("the option is no message")?;
    let number = |name: &str| -> Result<i32, Box<dyn Error>> {
        let value = option.get_field_by_name(name).ok_or_else(|| format!("no field {name}"))?;
        value.as_enum_number().or_else(|| value.as_i32()).ok_or_else(|| name.into())
    };
    let (one, many) = (number("object_name_index")?, number("object_name_indexs")?);
    Ok(format!(
        "Some(OptionRow {{ object_type: {}, privilege: {}, name: &{:?}, many: {} }})",
        number("object_type")?,
        number("object_privilege")?,
        name_path(request, if many > 0 { many } else { one })?,
        many > 0,
    ))
}

/// Where a request holds its object's name: a string field, or the first field of a message field.
fn name_path(request: &MessageDescriptor, index: i32) -> Result<Vec<u32>, Box<dyn Error>> {
    let Ok(number) = u32::try_from(index) else {
        return Ok(Vec::new());
    };
    let field = request
        .get_field(number)
        .ok_or_else(|| format!("{} has no field {number}", request.full_name()))?;
    match field.kind() {
        Kind::String => Ok(vec![number]),
        Kind::Message(_) => Ok(vec![number, 1]),
        other => Err(format!("{} cannot name an object: {other:?}", field.full_name()).into()),
    }
}
